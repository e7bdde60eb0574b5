"""Names of modules in the authors' releases, put into ours."""
