"""What each training command moves: state, terms, step."""
