# Completion of fsrv(8) for bash. Made by scripts/docs from common/options.def.
_fsrv() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} from=(-d)
    # --flag=value comes as three words.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    COMPREPLY=()
    case $prev in
    --root) from=(-d) ;;
    --listing) from=(-W 'on off') ;;
    --index) return ;;
    --hidden) from=(-W 'on off') ;;
    --api) from=(-W 'on off') ;;
    --symlinks) from=(-W 'inside never follow') ;;
    --archive-limit) return ;;
    --compress) from=(-W 'auto off') ;;
    --host) return ;;
    --port) return ;;
    --unix) from=(-f) ;;
    --unix-mode) from=(-W 'auto') ;;
    --proxy-protocol) from=(-W 'on off') ;;
    --trusted-proxies) from=(-W 'unix') ;;
    --server-name) from=(-W '*') ;;
    --admin) return ;;
    --tls-cert) from=(-f -W 'auto') ;;
    --tls-key) from=(-f) ;;
    --tls-min) from=(-W '1.2 1.3') ;;
    --redirect-port) return ;;
    --tls-client-ca) from=(-f) ;;
    --users) from=(-f) ;;
    --jwt-key) from=(-f) ;;
    --jwt-audience) return ;;
    --signing-key) from=(-f) ;;
    --auth-failures) return ;;
    --workers) from=(-W 'auto') ;;
    --requests-per-worker) return ;;
    --io) from=(-W 'auto threads inline') ;;
    --threads) return ;;
    --user) from=(-u) ;;
    --group) from=(-g) ;;
    --sandbox) from=(-W 'auto on off') ;;
    --pid-file) from=(-f) ;;
    --control) from=(-f -W 'off') ;;
    --grace) return ;;
    --drain-delay) return ;;
    --hang-timeout) return ;;
    --cache-files) return ;;
    --cache-memory) return ;;
    --in-place-writes) from=(-W 'on off append') ;;
    --header-timeout) return ;;
    --idle-timeout) return ;;
    --stall-timeout) return ;;
    --pause-timeout) return ;;
    --min-rate) return ;;
    --client-rate) return ;;
    --client-connections) return ;;
    --client-requests) return ;;
    --total-rate) return ;;
    --max-connections) return ;;
    --max-header-size) return ;;
    --http2) from=(-W 'on off') ;;
    --http2-resets) return ;;
    --max-ranges) return ;;
    --server-header) from=(-W 'on off') ;;
    --access-log) from=(-f -W '- off') ;;
    --log-format) from=(-W 'combined extended json') ;;
    --log-level) from=(-W 'error warn info debug') ;;
    --config) from=(-f) ;;
    --ctl) from=(-W 'reload upgrade stop status top workers') ;;
    --sign) return ;;
    --expires) return ;;
    --resume) return ;;
    --client) return ;;
    --uses) return ;;
    --attachment) return ;;
    *) [[ $cur != -* ]] || from=(-W '--root --listing --index --hidden --api --symlinks --archive-limit --compress --host --port --unix --unix-mode --proxy-protocol --trusted-proxies --server-name --admin --tls-cert --tls-key --tls-min --redirect-port --tls-client-ca --users --jwt-key --jwt-audience --signing-key --auth-failures --workers --requests-per-worker --io --threads --user --group --sandbox --pid-file --control --grace --drain-delay --hang-timeout --cache-files --cache-memory --in-place-writes --header-timeout --idle-timeout --stall-timeout --pause-timeout --min-rate --client-rate --client-connections --client-requests --total-rate --max-connections --max-header-size --http2 --http2-resets --max-ranges --server-header --access-log --log-format --log-level --config --check --dump-config --ctl --sign --expires --resume --prefix --client --uses --attachment --hash-password --version --help') ;;
    esac
    [[ ${from[0]} != -[df] ]] || compopt -o filenames
    mapfile -t COMPREPLY < <(compgen "${from[@]}" -- "$cur")
}
complete -F _fsrv fsrv
