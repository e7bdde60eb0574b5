"""Running networks on pictures and frames for the commands of app: backends, controls, linear light."""
