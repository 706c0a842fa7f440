"""What people prove themselves with, as a whole: which ways there are, and which are asked for."""
