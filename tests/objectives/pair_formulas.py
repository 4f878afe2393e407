"""InfoNCE and SigLIP over any pairs, with their gradients, in float64 NumPy as open_clip and the papers write them."""

import numpy as np


def drawn_rows(rng, n, width):
    rows = rng.normal(size=(n, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pairs_of(targets, patients, others, types=None, other_types=None):
    """(positive, candidate) [n, m], pair by pair; `others` begins with the partners of `patients`, -1 is padding."""
    positive, candidate = np.zeros((2, len(patients), len(others)), bool)
    for i, patient in enumerate(patients):
        for j, other in enumerate(others):
            if patient < 0 or other < 0:
                continue
            own, partner = patient == other, i == j
            positive[i, j] = own if targets == "multi" else partner
            candidate[i, j] = partner or not own if targets == "masked" else True
            if types is not None and types[i] != other_types[j] and not positive[i, j]:
                candidate[i, j] = False
    return positive, candidate


def cross_entropy(image, text, scale, positive, candidate):
    """One direction, the mean over rows with a positive: (loss, gradients by image, text and scale)."""
    cosines = image @ text.T
    shifted = np.where(candidate, scale * cosines, -np.inf)
    used = positive.any(axis=1)
    shifted[~used] = 0.0
    shares = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    targets = positive / np.maximum(positive.sum(axis=1, keepdims=True), 1)
    logs = np.log(np.where(positive, shares, 1.0))
    by_logits = np.where(used[:, None], shares - targets, 0.0) / used.sum()
    loss = -np.sum(targets * logs) / used.sum()
    return loss, scale * by_logits @ text, scale * by_logits.T @ image, np.sum(by_logits * cosines)


def info_nce(image, text, further, scale, forward, backward):
    """Both directions: images among `text` and `further` rows, texts among images: (loss, gradients by image, text, further, scale)."""
    n = len(text)
    one, by_image, by_all, by_scale = cross_entropy(image, np.concatenate([text, further]), scale, *forward)
    other, by_text, back_to_image, back_by_scale = cross_entropy(text, image, scale, *backward)
    gradients = (by_image + back_to_image, by_all[:n] + by_text, by_all[n:], by_scale + back_by_scale)
    return 0.5 * (one + other), *(0.5 * gradient for gradient in gradients)


def siglip(image, text, further, scale, bias, pairs):
    """The sum over pairs by the number of images that have a part: (loss, gradients by image, text, further, scale, bias)."""
    positive, candidate = pairs
    rows, n, count = np.concatenate([text, further]), len(text), positive.any(axis=1).sum()
    cosines = image @ rows.T
    signs = np.where(positive, 1.0, -1.0)
    logits = signs * (scale * cosines + bias)
    loss = np.sum(np.where(candidate, np.logaddexp(0.0, -logits), 0.0)) / count
    by_logits = np.where(candidate, -signs / (1.0 + np.exp(logits)), 0.0) / count
    by_rows = scale * by_logits.T @ image
    return loss, scale * by_logits @ rows, by_rows[:n], by_rows[n:], np.sum(by_logits * cosines), np.sum(by_logits)
