#include "supervisor/serve.h"
#include "worker/access/link_path.h"
#include "worker/admin/shown_name.h"
#include "worker/start/worker_main.h"

int main(int argc, char** argv) {
    return fsrv::fsrv_main(argc, argv, fsrv::worker_main, fsrv::admin::shown_name,
                           fsrv::access::link_path);
}
