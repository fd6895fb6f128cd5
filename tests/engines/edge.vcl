# Varnish as an edge location of CloudFront, and as the origin behind it: what is not in its cache, it requests from itself. The
# last part of a path says how it behaves there. Each distribution has a host, a port in fact. @PORT@ is its own, @SILENT_PORT@ accepts connections and says nothing.
vcl 4.1;

backend origin { .host = "127.0.0.1"; .port = "@PORT@"; }
backend silent { .host = "127.0.0.1"; .port = "@SILENT_PORT@"; }

sub vcl_recv {
    if (req.http.x-from-edge) {
        return (synth(700));
    }
    if (req.method == "BAN") {
        ban("obj.http.x-host == " + req.http.host + " && obj.http.x-key ~ " + req.http.x-pattern);
        return (synth(200));
    }
    set req.backend_hint = origin;
    if (req.url ~ "/slow$") {
        set req.backend_hint = silent;
    }
    return (hash);
}

sub vcl_backend_fetch {
    set bereq.http.x-from-edge = "yes";
}

# The origin.
sub vcl_synth {
    if (resp.status != 700) {
        return (deliver);
    }
    set resp.status = 200;
    set resp.http.cache-control = "max-age=86400";
    if (req.url !~ "/old-version$") {
        set resp.http.x-release = "v2";
    }
    if (req.url ~ "/redirect$") {
        set resp.status = 301;
        set resp.http.location = "/";
    }
    if (req.url ~ "/unavailable$") {
        set resp.status = 503;
    }
    if (req.url ~ "/aged$") {
        set resp.http.age = "5000";
    }
    synthetic("");
    return (deliver);
}

sub vcl_backend_response {
    set beresp.http.x-host = bereq.http.host;
    # An invalidation of its path does not find it.
    set beresp.http.x-key = regsub(bereq.url, "^.*/(under-another-key|old-version)$", "/another-key");
    if (beresp.status >= 500) {
        set beresp.uncacheable = true;
    }
}

# What CloudFront adds.
sub vcl_deliver {
    unset resp.http.x-host;
    unset resp.http.x-key;
    unset resp.http.x-varnish;
    if (req.url ~ "/without-age$") {
        unset resp.http.age;
    }
    set resp.http.via = "1.1 d111111abcdef8.cloudfront.net (CloudFront)";
    set resp.http.x-amz-cf-pop = "TST50-P1";
    if (obj.hits > 0) {
        set resp.http.x-cache = "Hit from cloudfront";
    } else {
        set resp.http.x-cache = "Miss from cloudfront";
    }
}
