//! Say what a network agrees on before its first block.
