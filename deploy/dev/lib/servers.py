"""Configurations of the real servers that run in pods."""
import os

# One process, everything below the run directory: nothing of the machine's own nginx is touched.
NGINX_START = """\
daemon off;
master_process off;
worker_processes 1;
pid {run}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {run}/body;
  proxy_temp_path {run}/proxy;
  fastcgi_temp_path {run}/fastcgi;
  uwsgi_temp_path {run}/uwsgi;
  scgi_temp_path {run}/scgi;
  keepalive_requests 100000000;
"""

_NGINX = NGINX_START + """\
  client_max_body_size 64m;
  client_body_buffer_size 64k;
  keepalive_timeout 600s;
  server {{
    listen {port} backlog=4096;
    listen [::]:{port} backlog=4096;
    default_type application/json;
    add_header x-version "{version}" always;
    # The demo makes a backend flap by putting this file there and taking it away.
    if (-f {run}/unwell) {{ return 503; }}
    location /health {{ return 200 "ok\\n"; }}
{locations}
  }}
}}
"""

_RATINGS = """\
    location / { return 200 '{"id": 0, "ratings": {"Reviewer1": 5, "Reviewer2": 4}}\\n'; }"""

_DETAILS = """\
    location / { return 200 '{"id": 0, "author": "William Shakespeare", "pages": 200}\\n'; }"""

_REVIEWS_V1 = """\
    location / { return 200 '{"id": "0", "podname": "%(name)s"}\\n'; }"""

# Versions 2 and 3 ask `ratings`, as Bookinfo's do: the sub-request is a real one across the mesh.
_REVIEWS = """\
    location /ratings/ {
      internal;
      proxy_pass http://ratings_service;
      proxy_http_version 1.1;
      proxy_set_header Host ratings:9080;
      proxy_set_header Connection "";
      proxy_set_header end-user $http_end_user;
      proxy_intercept_errors on;
      error_page 400 500 502 503 504 =200 @no_ratings;
    }
    location @no_ratings { return 200 '{"error": "ratings are unavailable"}'; }
    location / { root %(run)s/www; ssi on; ssi_types *; try_files /reviews.shtml =404; }"""

_REVIEWS_UPSTREAM = "  upstream ratings_service { server ratings:9080; keepalive 16; }\n"

_REVIEWS_PAGE = ('{"id": "0", "podname": "%(name)s", "color": "%(color)s", '
                 '"ratings": <!--#include virtual="/ratings/0" -->}\n')

_FILES = """\
    location /files/ { alias %(run)s/www/; default_type application/octet-stream; }
    location / { return 200 "hello from %(name)s\\n"; }"""


def nginx_config(pod, run_dir):
    """The text of nginx.conf for a pod, chosen by its app; also writes the pages it serves."""
    os.makedirs(f"{run_dir}/www", exist_ok=True)
    values = {"name": pod.name, "run": run_dir, "color": "red" if pod.version == "v3" else "black"}
    upstream = ""
    if pod.app == "ratings":
        locations = _RATINGS
    elif pod.app == "details":
        locations = _DETAILS
    elif pod.app == "reviews" and pod.version == "v1":
        locations = _REVIEWS_V1 % values
    elif pod.app == "reviews":
        locations, upstream = _REVIEWS % values, _REVIEWS_UPSTREAM
        with open(f"{run_dir}/www/reviews.shtml", "w") as page:
            page.write(_REVIEWS_PAGE % values)
    else:
        locations = _FILES % values
    text = _NGINX.format(run=run_dir, port=pod.port, version=pod.version, locations=locations)
    return text.replace("  server {", upstream + "  server {", 1)
