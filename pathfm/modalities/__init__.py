"""What a model sees of a patient beside the slide: named vectors, their features chosen and scaled on training patients alone."""
