//! Whole-system tests, one binary: the rules between the rooms, and the product as its users run it.

#[cfg(test)]
mod boundary;
#[cfg(test)]
mod eight_steps;
