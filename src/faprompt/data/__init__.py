"""Images in: samples, transforms, one file per data set layout."""
