//! Images: `of_slug` makes them of slugs, signs them, and says what is in them.

pub mod of_slug;
