"""Sound: from the bytes of a file to a waveform of one rate and length, by TensorFlow operations."""
