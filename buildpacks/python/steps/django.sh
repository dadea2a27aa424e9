# shellcheck shell=bash disable=SC2034,SC2154 # variables shared between the files of the pack
# Django's static files.

# Collects them where the app is Django's and wants it; DISABLE_COLLECTSTATIC=1 turns it off.
collect_static() {
    [[ -f manage.py ]] && python -c 'import django' 2> /dev/null || return 0
    topic "Collecting static files"
    if [[ ${DISABLE_COLLECTSTATIC:-0} != 0 ]]; then
        detail "Skipped: DISABLE_COLLECTSTATIC is set"
    elif ! python manage.py help collectstatic > /dev/null 2>&1; then
        detail "Skipped: the app does not use django.contrib.staticfiles, or its settings do not load without more config vars"
    elif ! step python manage.py collectstatic --noinput; then
        fail_step "Django could not collect the app's static files." \
            "The output above says why. To build without them, set the config var DISABLE_COLLECTSTATIC to 1."
    fi
}
