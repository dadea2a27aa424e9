//! Whether a repository is sound: every object there and what it is called, everything there that anything refers to.

use std::collections::BTreeSet;

use super::UpkeepError;
use crate::db::{self, Db};
use crate::git::{Examined, PackName, Repo};
use crate::model::AppId;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub refs: usize,
    pub packs: Vec<PackState>,
    /// What is wrong, in words.
    pub faults: Vec<String>,
    /// What is not as it should be, and does no harm.
    pub remarks: Vec<String>,
}

/// A pack, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackState {
    pub name: PackName,
    pub bytes: u64,
    pub examined: Examined,
}

/// Looks at a repository, in which nothing is taken away meanwhile; pushes go on. If each pack is sound, and whatever its
/// objects refer to is there, then refs that are there have all that is behind them.
pub async fn check(db: &Db, repo: &Repo, app: AppId) -> Result<Report, UpkeepError> {
    let repo = repo.hold().await?;
    let before = recorded(db, app).await?;
    let mut report = Report::default();
    for (name, bytes) in repo.packs()? {
        let examined = repo.examine(&name).await?;
        if let Examined::Damaged(what) = &examined {
            report.faults.push(format!("{}: {what}", name.as_str()));
        }
        report.packs.push(PackState { name, bytes, examined });
    }
    check_refs(db, &repo, app, &mut report).await?;
    compare(&before, &recorded(db, app).await?, &mut report);
    Ok(report)
}

async fn check_refs(db: &Db, repo: &Repo, app: AppId, report: &mut Report) -> Result<(), UpkeepError> {
    let refs = db::refs::list(&mut *db.read().await?, app).await?;
    report.refs = refs.len();
    match repo.examine_refs(refs.clone()).await {
        Ok(judged) => {
            let wrong = refs.iter().zip(judged).filter_map(|((name, _), why)| Some(format!("{name}: {}", why?)));
            report.faults.extend(wrong);
        }
        // An index that can't be read: nothing can be looked up then.
        Err(error) => report.faults.push(format!("the refs' objects can't be looked up: {error}")),
    }
    Ok(())
}

/// Compares the packs that there are with those that were recorded before and after they were looked at: one that is being
/// pushed is recorded a moment after it has come.
fn compare(before: &BTreeSet<String>, after: &BTreeSet<String>, report: &mut Report) {
    let there: BTreeSet<_> = report.packs.iter().map(|pack| pack.name.as_str()).collect();
    for name in before.iter().filter(|name| !there.contains(name.as_str())) {
        report.remarks.push(format!("{name} is recorded, but not there"));
    }
    for name in there.iter().filter(|name| !after.contains(**name)) {
        report.remarks.push(format!("{name} is not recorded: a push left it that was cut off, or refused in the end"));
    }
}

async fn recorded(db: &Db, app: AppId) -> Result<BTreeSet<String>, UpkeepError> {
    Ok(db::packs::list(&mut *db.read().await?, app).await?.into_iter().collect())
}
