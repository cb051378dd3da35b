//! Searches, held against what the search page of R4 says, word by word, on both databases.
//! <https://hl7.org/fhir/R4/search.html>

mod ask;
mod compare;
mod elements;
mod includes;
mod make;
mod naive;
mod pages;
mod parameters;
mod property;
mod reach;
mod stored;
mod world;
