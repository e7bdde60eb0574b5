"""Ways to label pictures: by the class ids that frame files hold, and by a segmenter."""
