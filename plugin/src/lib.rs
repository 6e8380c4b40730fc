//! Evaluates a flake and renders its town.
