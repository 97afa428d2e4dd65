//! Job files as people have them are submitted unchanged, and end as they should.

mod examples;
mod real_files;
mod stand_ins;
