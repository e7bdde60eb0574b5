"""What reports are made of: the table over several records, its formats, wording, plots and pictures."""
