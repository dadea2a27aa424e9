# shellcheck shell=bash
# Which files make an app one of a language's.

# language_file DIR: prints the first file that makes one of the language packs apply; fails when there is none.
language_file() {
    local file
    for file in Gemfile package.json requirements.txt Pipfile Pipfile.lock poetry.lock uv.lock pyproject.toml setup.py manage.py \
        project.clj deps.edn pom.xml gradlew build.gradle build.gradle.kts settings.gradle settings.gradle.kts \
        build.sbt project/build.properties composer.json index.php go.mod Cargo.toml; do
        if [[ -f $1/$file ]]; then
            echo "$file"
            return 0
        fi
    done
    return 1
}
