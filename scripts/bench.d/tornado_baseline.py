"""The Python server that fsrv replaces, as far as a benchmark needs it: GET /files?path=P on Tornado.

tornado_baseline.py threaded|async one|multi PORT ROOT

threaded: files are read in a thread pool; async: on the loop. one: a single process; multi: one per core.
"""

import asyncio
import concurrent.futures
import os
import sys

import tornado.httpserver
import tornado.netutil
import tornado.process
import tornado.web

CHUNK = 1024 * 1024


class Files(tornado.web.RequestHandler):
    def initialize(self, root, pool):
        self.root, self.pool = root, pool

    async def read(self, call, *args):
        if not self.pool:
            return call(*args)
        return await asyncio.get_running_loop().run_in_executor(self.pool, call, *args)

    async def get(self):
        path = os.path.realpath(os.path.join(self.root, self.get_argument("path")))
        if not path.startswith(self.root + os.sep):
            raise tornado.web.HTTPError(403)
        try:
            file = await self.read(open, path, "rb")
        except OSError as e:
            raise tornado.web.HTTPError(404) from e
        with file:
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            self.set_header("Content-Disposition", "attachment; filename=" + os.path.basename(path))
            while chunk := await self.read(file.read, CHUNK):
                self.write(chunk)
                await self.flush()


def main(how, processes, port, root):
    sockets = tornado.netutil.bind_sockets(int(port), "127.0.0.1", backlog=4096)
    if processes == "multi":
        tornado.process.fork_processes(0)

    async def serve():
        pool = concurrent.futures.ThreadPoolExecutor(4) if how == "threaded" else None
        handler = (r"/files", Files, {"root": os.path.realpath(root), "pool": pool})
        app = tornado.web.Application([handler], compress_response=False, log_function=lambda _: None)
        tornado.httpserver.HTTPServer(app).add_sockets(sockets)
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    if len(sys.argv) != 5 or sys.argv[1] not in ("threaded", "async") or sys.argv[2] not in ("one", "multi"):
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
