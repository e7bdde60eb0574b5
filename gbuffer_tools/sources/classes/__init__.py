"""What class numbers and colours mean, by data set and producer."""
