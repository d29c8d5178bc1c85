//! Registration files: what they register, and every problem at its line and column.

mod bank;
mod demonstration;
mod problems;
mod reading;
