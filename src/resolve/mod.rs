//! From what users wrote to one valid model, or problems with their field paths: pure.
