"""Pixels: OpenSlide's own where a level fits, the area average where it is finer, a refusal where it is coarser."""

import numpy as np
import openslide
import pytest
import tifffile

from pathfm.slides.reader import BLOCK, Scale, SlideError, area_average, averaging_scale, check_size, native_mpp, open_slide, tile_scale


def test_a_level_of_the_wanted_mpp_is_read_as_openslide_reads_it(shared):
    path = shared / "wsi" / "CMU-1-Small-Region.svs"
    with open_slide(path) as slide, openslide.OpenSlide(path) as reference:
        scale = tile_scale(slide, 0.5)
        assert (scale, slide.mpp) == (Scale(0, 1.0, 1.0), 0.499)
        theirs = np.asarray(reference.read_region((448, 672), 0, (224, 224)))[..., :3]
        np.testing.assert_array_equal(slide.read(scale, 448, 672, 224, 224), theirs)


def test_a_real_pyramid_with_a_downsample_that_is_not_whole(shared):
    path = shared / "wsi" / "TCGA-CR-7395-01A-01-TS1.svs"
    with pytest.raises(SlideError, match="^no mpp$"), open_slide(path):
        pass
    with open_slide(path, mpp=0.25) as slide, openslide.OpenSlide(path) as reference:
        scale = tile_scale(slide, 0.5)
        assert (scale.level, scale.factor) == (1, 1.0)
        assert scale.downsample == pytest.approx(2.0005, abs=1e-4)
        theirs = np.asarray(reference.read_region((1344, 897), 1, (224, 224)))[..., :3]
        np.testing.assert_array_equal(slide.read(scale, 1344, 897, 224, 224), theirs)


@pytest.mark.parametrize(
    ("mpp", "levels", "expected"),
    [
        (0.5, 1, Scale(0, 1.0, 1.0)),
        (0.514, 1, Scale(0, 1.0, 1.0)),
        (0.486, 1, Scale(0, 1.0, 1.0)),
        (0.25, 2, Scale(1, 1.0, 2.0)),
        (0.2525, 2, Scale(1, 1.0, 2.0)),
        (0.25, 1, Scale(0, 2.0, 2.0)),
        (0.2, 2, Scale(1, 1.25, 2.5)),
        (0.1, 3, Scale(2, 1.25, 5.0)),
        (0.48, 1, Scale(0, 0.5 / 0.48, 0.5 / 0.48)),
    ],
)
def test_which_level_is_read_for_half_a_micrometre(tmp_path, write_pyramid, stained, mpp, levels, expected):
    with open_slide(write_pyramid(tmp_path / "a.tif", stained(300, 300), levels, mpp)) as slide:
        assert slide.mpp == pytest.approx(mpp, rel=1e-5)
        scale = tile_scale(slide, 0.5)
    assert scale.level == expected.level
    assert (scale.factor, scale.downsample) == pytest.approx((expected.factor, expected.downsample), rel=1e-4)
    assert (scale.factor == 1) == (expected.factor == 1)


def test_a_coarser_slide_is_never_enlarged(tmp_path, write_pyramid, stained):
    with open_slide(write_pyramid(tmp_path / "a.tif", stained(300, 300), 2, 0.52)) as slide:
        with pytest.raises(SlideError, match="coarser than wanted: 0.52 µm/px, wanted 0.5"):
            tile_scale(slide, 0.5)


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8])
def test_whole_factors_give_the_block_mean(factor, stained, block_mean):
    image = stained(24 * factor, 20 * factor)
    np.testing.assert_array_equal(area_average(image, 24, 20, factor), block_mean(image, factor))


@pytest.mark.parametrize(("over", "under"), [(5, 2), (5, 4), (7, 3)])
def test_broken_factors_give_the_mean_of_the_area(over, under, stained, block_mean):
    image = stained(over * 12, over * 12)
    fine = image.repeat(under, axis=0).repeat(under, axis=1)
    size = 12 * under
    ours = area_average(image, size, size, over / under).astype(int)
    assert abs(ours - block_mean(fine, over)).max() <= 1
    assert (ours == block_mean(fine, over)).mean() > 0.99


def test_tiles_of_a_finer_slide_are_block_means_wherever_they_lie(tmp_path, write_pyramid, stained, block_mean):
    image = stained(600, 700)
    with open_slide(write_pyramid(tmp_path / "a.tif", image, 1, 0.25)) as slide:
        scale = tile_scale(slide, 0.5)
        for x, y in ((0, 0), (200, 96), (501, 303)):
            np.testing.assert_array_equal(slide.read(scale, x, y, 64, 64), block_mean(image[y : y + 128, x : x + 128], 2))


def test_a_large_area_is_read_in_blocks_without_seams(tmp_path, write_pyramid, stained, block_mean):
    image = stained(700, BLOCK + 300)
    with open_slide(write_pyramid(tmp_path / "a.tif", image)) as slide:
        scale = averaging_scale(slide.downsamples, 4.0)
        np.testing.assert_array_equal(slide.read(scale, 0, 0, image.shape[1] // 4, 175), block_mean(image, 4))


def test_white_lies_outside_the_slide(tmp_path, write_pyramid, stained):
    image = stained(200, 200)
    with open_slide(write_pyramid(tmp_path / "a.tif", image)) as slide:
        pixels = slide.read(Scale(0, 1.0, 1.0), 150, 150, 100, 100)
    np.testing.assert_array_equal(pixels[:50, :50], image[150:, 150:])
    assert (pixels[50:] == 255).all() and (pixels[:, 50:] == 255).all()


def test_mpp_from_the_resolution_of_a_generic_tiff():
    tiff = {"openslide.vendor": "generic-tiff", "tiff.XResolution": "40000", "tiff.YResolution": "40000"}
    assert native_mpp(tiff | {"tiff.ResolutionUnit": "centimeter"}) == 0.25
    assert native_mpp(tiff | {"tiff.ResolutionUnit": "inch"}) == pytest.approx(0.635)
    with pytest.raises(SlideError, match="^no mpp$"):
        native_mpp(tiff)
    with pytest.raises(SlideError, match="^no mpp$"):
        native_mpp(tiff | {"openslide.vendor": "aperio", "tiff.ResolutionUnit": "centimeter"})


@pytest.mark.parametrize(
    ("across", "down", "reason"),
    [
        ("0", "0", "no mpp"),
        ("nan", "nan", "no mpp"),
        ("x", "0.5", "no mpp"),
        ("352.8", "352.8", "no mpp: the file says 352.8 µm/px, which is no microscope's (0.1 to 5)"),
        ("0.5", "84.67", "no mpp: the file says 0.5 by 84.67 µm/px, which is no microscope's (0.1 to 5)"),
        ("0.00025", "0.00025", "no mpp: the file says 0.00025 µm/px, which is no microscope's (0.1 to 5)"),
        ("0.5", "0.25", "no mpp: the file says 0.5 µm/px across and 0.25 down"),
    ],
)
def test_an_mpp_that_cannot_be_is_none(across, down, reason):
    with pytest.raises(SlideError) as error:
        native_mpp({"openslide.mpp-x": across, "openslide.mpp-y": down})
    assert str(error.value) == reason


@pytest.mark.parametrize("vendor", ["aperio", "generic-tiff"])
@pytest.mark.parametrize("dots", [72, 96, 300, 1200, 300_000])
def test_the_dots_per_inch_of_an_image_editor_are_no_scale(vendor, dots):
    tags = {"openslide.vendor": vendor, "tiff.XResolution": str(dots), "tiff.YResolution": str(dots), "tiff.ResolutionUnit": "inch"}
    with pytest.raises(SlideError, match="^no mpp"):
        native_mpp(tags)


def test_the_scale_that_openslide_names_goes_before_the_tags_of_the_file():
    tags = {"tiff.XResolution": "300", "tiff.YResolution": "300", "tiff.ResolutionUnit": "inch", "openslide.vendor": "generic-tiff"}
    assert native_mpp(tags | {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.2505"}) == 0.25025
    with pytest.raises(SlideError, match="^no mpp: the file says 300 µm/px"):
        native_mpp(tags | {"tiff.XResolution": "40000", "openslide.mpp-x": "300", "openslide.mpp-y": "300"})


def test_an_objective_is_no_scale():
    with pytest.raises(SlideError, match="^no mpp: the file tells only its objective, 20×$"):
        native_mpp({"openslide.vendor": "aperio", "aperio.AppMag": "20", "openslide.objective-power": "20"})


@pytest.mark.parametrize(("dots", "unit"), [(300, "INCH"), (72, "INCH"), (96, "INCH"), (300, "CENTIMETER"), (40_000, "NONE")])
def test_a_file_that_an_image_editor_saved_needs_a_scale_and_takes_one(tmp_path, stained, dots, unit):
    kind = {"tile": (128, 128), "photometric": "rgb", "resolution": (dots, dots), "resolutionunit": unit}
    tifffile.imwrite(tmp_path / "a.tif", stained(300, 300), **kind)
    with pytest.raises(SlideError, match="^no mpp"), open_slide(tmp_path / "a.tif"):
        pass
    with open_slide(tmp_path / "a.tif", 0.5) as slide:
        assert tile_scale(slide, 0.5) == Scale(0, 1.0, 1.0)


def test_sizes_have_bounds():
    with pytest.raises(SlideError, match="too large: level 0 has 1000000×1000000"):
        check_size([(1_000_000, 1_000_000)], {})
    with pytest.raises(SlideError, match="pieces of 30000×30000"):
        check_size([(30_000, 30_000)], {"openslide.level[0].tile-width": "30000", "openslide.level[0].tile-height": "30000"})


def test_a_broken_file_says_so(shared):
    with pytest.raises(SlideError, match="^cannot be opened: "), open_slide(shared / "wsi" / "broken.svs"):
        pass
