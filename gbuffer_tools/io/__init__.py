"""Files of others, checked before memory is taken; files of ours, written whole or not at all."""
