"""Weight file formats: headers read without trusting any length in them."""
