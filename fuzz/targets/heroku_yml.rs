//! Any bytes as heroku.yml: refused in words, or a file in which everything that runs has an image to run in.

use hoist::model::{HerokuYml, Invalid};

pub(crate) fn run(text: &[u8]) {
    match HerokuYml::parse(text) {
        Err(Invalid(why)) => assert!(!why.is_empty()),
        Ok(file) => {
            assert!(file.processes.values().all(|process| file.images.contains_key(&process.image)));
            let parts = file.images.values().flat_map(|path| path.as_str().split('/'));
            assert!(parts.into_iter().all(|part| !matches!(part, "" | "." | "..")));
        }
    }
}
