//! Whole-system tests, one binary: the rules between the rooms, and the product as its users run it.

mod boundary;
