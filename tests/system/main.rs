//! Whole-system tests, one binary: the rules between the rooms, and the product as its users run it.

#[cfg(test)]
mod acme;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod boundary;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod data;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod eight_steps;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod races;
#[cfg(test)]
mod record;
#[cfg(test)]
mod reindex;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod sealed;
