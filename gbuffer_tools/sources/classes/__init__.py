"""What numbers and colours of classes mean, by data set and producer."""
