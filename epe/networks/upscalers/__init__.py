"""Networks that make pictures larger, and the discriminator that one of them is trained against."""
