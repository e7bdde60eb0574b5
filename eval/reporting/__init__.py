"""Reports made of records: tables, wording, plots, pictures, the page."""
