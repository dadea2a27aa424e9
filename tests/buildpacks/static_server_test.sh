# shellcheck shell=bash
# The static pack's web server, over the loopback.

# start: serves ./app; sets URL.
start() {
    (cd app && PORT=0 PYTHONDONTWRITEBYTECODE=1 exec python3 "$REPO/buildpacks/static/server/serve.py") > server.log 2>&1 &
    SERVER=$!
    trap 'kill $SERVER' EXIT
    until grep -q 'listening on' server.log; do kill -0 $SERVER; read -rt 0.05 < <(:) || true; done
    URL=http://127.0.0.1:$(sed 's/listening on //' server.log)
}

# get PATH CURL-OPTION…: the status, then the body.
get() {
    curl --silent --path-as-is --max-time 10 --write-out '%{http_code}' --output body "${@:2}" "$URL$1"
    echo " $(cat body 2> /dev/null)"
    rm -f body
}

# field NAME PATH CURL-OPTION…: one header of the answer.
field() {
    curl --silent --path-as-is --max-time 10 --output /dev/null --dump-header - "${@:3}" "$URL$2" |
        tr -d '\r' | sed -nE "s/^$1: //Ip"
}

site() {
    mkdir -p app/public/docs app/public/.git
    echo home > app/public/index.html
    echo about > app/public/about.html
    echo docs > app/public/docs/index.html
    echo lost > app/public/404.html
    echo secret > app/secret
    echo secret > app/public/.git/config
    printf 0123456789 > app/public/digits.txt
    ln -s ../secret app/public/link
    echo '{}' > app/static.json
}

test_pages_types_and_the_404_page() {
    site
    start
    expect "$(get /)" '200 home'
    expect "$(get /index.html?x=1)" '200 home'
    expect "$(get /docs/)" '200 docs'
    expect "$(get /nosuch)" '404 lost'
    expect "$(get /about)" '404 lost'
    expect "$(field Content-Type /)" 'text/html; charset=utf-8'
    expect "$(field Content-Type /digits.txt)" 'text/plain; charset=utf-8'
    expect "$(field Location /docs)" /docs/
}

test_nothing_but_the_site_is_served() {
    site
    start
    for path in /../secret /%2e%2e/secret /..%2fsecret /docs/../../secret /link /.git/config /%2egit/config \
        //etc/passwd '/..\secret' /%00 /docs/%2e%2e/%2e%2e/secret; do
        expect "$path $(get "$path")" "$path 404 lost"
    done
    expect "$(get /%ff)" '400 Bad request'
    expect "$(field Location //docs)" /docs/
    expect "$(get /.heroku/static/serve.py)" '404 lost'
}

test_an_app_served_from_its_root_keeps_its_own_files_back() {
    mkdir -p app/node_modules
    echo home > app/index.html
    echo x | tee app/Procfile app/static.json app/node_modules/x > /dev/null
    echo '{}' > app/static.json
    start
    expect "$(get /)" '200 home'
    for path in /Procfile /static.json /node_modules/x; do
        expect "$path $(get "$path")" "$path 404 Not found"
    done
}

test_head_and_other_methods() {
    site
    start
    expect "$(curl --silent --head "$URL/" | tr -d '\r' | sed -n 's/^Content-Length: //p')" 5
    expect "$(get / --request POST --data x)" '405 '
    expect "$(field Allow / --request DELETE)" 'GET, HEAD'
}

test_ranges() {
    site
    start
    expect "$(get /digits.txt --range 2-4)" '206 234'
    expect "$(get /digits.txt --range 7-)" '206 789'
    expect "$(get /digits.txt --range 7-99)" '206 789'
    expect "$(get /digits.txt --range -3)" '206 789'
    expect "$(get /digits.txt --range -99)" '206 0123456789'
    expect "$(get /digits.txt --range 10-)" '416 '
    expect "$(field Content-Range /digits.txt --range 10-)" 'bytes */10'
    expect "$(get /digits.txt --range 0-1,4-5)" '200 0123456789'
    expect "$(get /digits.txt --header 'Range: bytes=5-2')" '200 0123456789'
    expect "$(get /digits.txt --range 0-1 --header 'If-Range: "other"')" '200 0123456789'
    expect "$(get /digits.txt --range 0-1 --header "If-Range: $(field ETag /digits.txt)")" '206 01'
}

test_caching_is_by_content() {
    site
    touch -d @0 app/public/*
    echo x > app/public/app-0123abcd.css
    start
    local tag
    tag=$(field ETag /about.html)
    expect "$(get /about.html --header "If-None-Match: $tag")" '304 '
    expect "$(get /about.html --header "If-None-Match: W/$tag")" '304 '
    expect "$(get /about.html --header 'If-None-Match: "other"')" '200 about'
    [[ $tag != "$(field ETag /index.html)" ]]
    expect "$(field Last-Modified /about.html)" ''
    expect "$(field Cache-Control /about.html)" no-cache
    expect_in "$(field Cache-Control /app-0123abcd.css)" immutable
}

test_text_is_zipped_for_those_who_can_unzip() {
    site
    seq 1000 > app/public/long.txt
    start
    expect "$(field Content-Encoding /long.txt --header 'Accept-Encoding: br, gzip')" gzip
    expect "$(field Content-Encoding /long.txt)" ''
    expect "$(field Vary /long.txt)" Accept-Encoding
    curl --silent --compressed "$URL/long.txt" | cmp - app/public/long.txt
}

test_clean_urls_redirects_headers_and_routes() {
    site
    cat > app/static.json << 'JSON'
{
  "root": "public", "clean_urls": true,
  "redirects": {"/old": {"url": "https://other.example/", "status": 302}},
  "headers": {"/docs/**": {"X-Docs": "yes"}},
  "routes": {"/app/**": "index.html"}
}
JSON
    start
    expect "$(get /about)" '200 about'
    expect "$(field Location /about.html)" /about
    expect "$(get /old)" '302 '
    expect "$(field Location /old)" https://other.example/
    expect "$(field X-Docs /docs/)" yes
    expect "$(field X-Docs /about)" ''
    expect "$(get /app/deep/link)" '200 home'
    expect "$(get /other)" '404 lost'
}

test_https_and_the_one_host_name() {
    site
    echo '{"https_only": true, "canonical_host": "www.example.com"}' > app/static.json
    start
    expect "$(field Location /about.html --header 'Host: example.com' --header 'X-Forwarded-Proto: https')" \
        https://www.example.com/about.html
    expect "$(field Location / --header 'Host: www.example.com' --header 'X-Forwarded-Proto: http')" https://www.example.com/
    expect "$(get / --header 'Host: www.example.com' --header 'X-Forwarded-Proto: https')" '200 home'
}

test_several_requests_over_one_connection() {
    site
    start
    expect "$(curl --silent --write-out '%{num_connects}\n' --output /dev/null "$URL/" --output /dev/null "$URL/nosuch" \
        --output /dev/null "$URL/docs")" $'1\n0\n0'
}

test_garbage_does_not_stop_the_server() {
    site
    start
    local port=${URL##*:} reply
    for garbage in 'GET' 'GET / HTTP/9.9' $'\xff\xfe' 'GET http://[ HTTP/1.1'; do
        exec 3<> "/dev/tcp/127.0.0.1/$port"
        printf '%b\r\n\r\n' "$garbage" >&3
        read -rt 10 reply <&3 || true
        exec 3>&-
        [[ ${reply:-} != *' 200 '* ]]
    done
    expect "$(get /)" '200 home'
    [[ $(cat server.log) != *Traceback* ]]
}

test_term_ends_it() {
    site
    start
    kill "$SERVER"
    wait "$SERVER"
    trap - EXIT
}
