"""One page about a run that needs nothing but a browser: the verb `report`."""
