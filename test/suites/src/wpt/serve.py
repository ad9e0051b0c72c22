"""Serves a checkout of web-platform-tests with wptserve: of the checkout if it is there (tools/wptserve), else that which is installed."""
import logging
import os
import sys
import uuid

root = os.path.abspath(sys.argv[1])
for folder in ("tools/wptserve", "tools/third_party/pywebsocket3", "tools/third_party/h2", "tools"):
    if os.path.isdir(os.path.join(root, folder)):
        sys.path.insert(0, os.path.join(root, folder))
sys.path.insert(0, root)

from wptserve import config, handlers, server, stash  # noqa: E402

HOST = "web-platform.test"


def main():
    logger = logging.getLogger("wpt")
    logger.setLevel(logging.ERROR)
    with stash.StashServer(None, authkey=str(uuid.uuid4())):
        servers = []
        routes = [
            ("*", "*.py", handlers.PythonScriptHandler(root)),
            ("GET", "*.asis", handlers.AsIsHandler(root)),
            ("*", "*", handlers.FileHandler(root)),
        ]
        for _ in range(2):
            servers.append(server.WebTestHttpd(host="127.0.0.1", port=0, doc_root=root, routes=routes))
        ports = [one.port for one in servers]
        with config.ConfigBuilder(
            logger,
            browser_host=HOST,
            alternate_hosts={"alt": "not-" + HOST},
            subdomains={"www", "www1", "www2"},
            not_subdomains=set(),
            doc_root=root,
            ports={"http": ports},
            ssl={"type": "none"},
        ) as settings:
            for one in servers:
                one.httpd.config = settings
                one.start()
            print(ports[0], flush=True)
            sys.stdin.read()
            for one in servers:
                one.stop()


if __name__ == "__main__":
    main()
