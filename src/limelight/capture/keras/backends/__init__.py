"""What limelight needs of the framework that Keras runs on; one file for each."""
