"""Other people's files, checked before memory is allocated; our own files, written whole or not at all."""
