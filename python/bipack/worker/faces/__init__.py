"""The face parser at work: finding faces in frames, and the steps that make mattes and crops of them."""
