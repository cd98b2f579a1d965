"""Raw photos and videos to a data set of posed pictures; pycolmap finds the poses."""
