"""Region models: what one part of a face becomes, trained from pairs inside that part's matte, turned by a slider."""
