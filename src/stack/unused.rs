//! Removes what nobody needs of stacks that others have taken the place of.
//!
//! Builds and commands hold the stack that they run on ([`super::hold`]), in whichever process they are. What images of slugs
//! stand on stays for good: a layer that was packed, and those that were pulled if an image has been made (`imaged`).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::home::{Home, ROOTS};
use super::installed::read_current;
use super::layer::{IMAGED, folders};
use super::pulled::RECORD;
use super::{StackError, io_error};
use crate::engine::Engine;
use crate::model::{Digest, StackName};

/// Removes what nobody needs of all stacks here, but of those that somebody is just making.
pub async fn remove_unused(stacks_dir: &Path, engine: &Engine) -> Result<(), StackError> {
    for folder in folders(stacks_dir)? {
        let is_stacks = folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<StackName>().is_ok());
        if is_stacks
            && folder.join("lock").exists()
            && let Err(error) = remove_unused_of(folder.clone(), engine).await
        {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, stack = %folder.display(), "what nobody needs of a stack can't be removed");
        }
    }
    Ok(())
}

async fn remove_unused_of(folder: PathBuf, engine: &Engine) -> Result<(), StackError> {
    let Some(home) = Home::try_take(folder).await? else { return Ok(()) };
    if read_current(&home.path)?.is_some() {
        return remove_replaced(&home, engine).await;
    }
    // Making it or removing it was cut off.
    home.sweep(engine).await?;
    for folder in stacks_of(&home)? {
        let Some(_held) = lock(&folder)? else { return Ok(()) };
        take_out(&home, &folder, &["."])?;
        home.sweep(engine).await?;
    }
    home.remove()
}

/// Removes all of a stack, whatever images stand on it. Fails with [`StackError::InUse`] while something runs on it.
///
/// `may_go` is asked once nobody else can change the stack. What it returns is kept until nobody can find the stack any more.
pub async fn remove<T>(
    stacks_dir: &Path,
    name: &StackName,
    engine: &Engine,
    may_go: impl AsyncFnOnce() -> Result<T, StackError>,
) -> Result<(), StackError> {
    if read_current(&stacks_dir.join(name.as_str()))?.is_none() {
        return Err(StackError::NotBuilt(name.clone()));
    }
    let home = Home::take(stacks_dir, name).await?;
    home.sweep(engine).await?;
    let permission = may_go().await?;
    let stacks = stacks_of(&home)?;
    let held: Vec<_> = stacks.iter().map(|folder| lock(folder)).collect::<Result<_, _>>()?;
    if held.iter().any(Option::is_none) {
        return Err(StackError::InUse(name.clone()));
    }
    let current = home.path.join("current.json");
    fs::remove_file(&current).map_err(io_error(format!("remove {}", current.display())))?;
    drop(permission);
    for folder in &stacks {
        take_out(&home, folder, &["."])?;
        home.sweep(engine).await?;
    }
    home.remove()
}

/// Removes what nobody needs of the stacks that the one in use has taken the place of.
pub(super) async fn remove_replaced(home: &Home, engine: &Engine) -> Result<(), StackError> {
    let current = read_current(&home.path)?.map(|current| current.digest);
    home.sweep(engine).await?;
    for folder in stacks_of(home)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if current.as_deref() == Some(&format!("sha256:{name}")) {
            continue;
        }
        // Held by whoever runs on it; the next time finds it.
        let Some(_held) = lock(&folder)? else { continue };
        let is_needed = folder.join(IMAGED).exists() || !folder.join(RECORD).exists();
        take_out(home, &folder, if is_needed { &ROOTS } else { &["."] })?;
        home.sweep(engine).await?;
    }
    Ok(())
}

/// The folders of all digests of a stack.
fn stacks_of(home: &Home) -> Result<Vec<PathBuf>, StackError> {
    let is_digest = |folder: &Path| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        format!("sha256:{name}").parse::<Digest>().is_ok()
    };
    Ok(folders(&home.path)?.into_iter().filter(|folder| is_digest(folder)).collect())
}

/// `None` while somebody holds it.
fn lock(folder: &Path) -> Result<Option<File>, StackError> {
    let doing = || io_error(format!("lock {}", folder.display()));
    let file = File::open(folder).map_err(doing())?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(doing()(error)),
    }
}

/// Takes a stack's parts out of their place at once, to be swept: nobody may find a half of one there.
fn take_out(home: &Home, folder: &Path, parts: &[&str]) -> Result<(), StackError> {
    let roots = home.incoming().join("roots");
    let take = || -> io::Result<()> {
        fs::create_dir_all(home.incoming())?;
        if parts == ["."] {
            return fs::rename(folder, &roots);
        }
        fs::create_dir_all(&roots)?;
        for part in parts {
            match fs::rename(folder.join(part), roots.join(part)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    };
    take().map_err(io_error(format!("take {} out of its place", folder.display())))
}
