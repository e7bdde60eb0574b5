"""Networks that enlarge pictures, and the discriminator that one of them is trained against."""
