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
    --archive-limit) return ;;
    --compress) from=(-W 'auto off') ;;
    --precompressed) from=(-W 'on off') ;;
    --api) from=(-W 'on off') ;;
    --symlinks) from=(-W 'inside never follow') ;;
    --host) return ;;
    --port) return ;;
    --unix) from=(-f) ;;
    --trusted-proxies) from=(-W 'unix') ;;
    --admin) return ;;
    --unix-mode) from=(-W 'auto') ;;
    --proxy-protocol) from=(-W 'on off') ;;
    --server-name) from=(-W '*') ;;
    --tls-cert) from=(-f -W 'auto') ;;
    --tls-key) from=(-f) ;;
    --redirect-port) return ;;
    --tls-min) from=(-W '1.2 1.3') ;;
    --tls-client-ca) from=(-f) ;;
    --users) from=(-f) ;;
    --jwt-key) from=(-f) ;;
    --signing-key) from=(-f) ;;
    --jwt-audience) return ;;
    --auth-failures) return ;;
    --workers) from=(-W 'auto') ;;
    --io) from=(-W 'auto threads inline') ;;
    --user) from=(-u) ;;
    --control) from=(-f -W 'off') ;;
    --grace) return ;;
    --in-place-writes) from=(-W 'on off append') ;;
    --requests-per-worker) return ;;
    --threads) return ;;
    --group) from=(-g) ;;
    --sandbox) from=(-W 'auto on off') ;;
    --pid-file) from=(-f) ;;
    --drain-delay) return ;;
    --hang-timeout) return ;;
    --cache-files) return ;;
    --cache-memory) return ;;
    --idle-timeout) return ;;
    --min-rate) return ;;
    --client-rate) return ;;
    --client-connections) return ;;
    --total-rate) return ;;
    --http2) from=(-W 'on off') ;;
    --header-timeout) return ;;
    --stall-timeout) return ;;
    --pause-timeout) return ;;
    --client-requests) return ;;
    --max-connections) return ;;
    --max-header-size) return ;;
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
    *) [[ $cur != -* ]] || from=(-W '--root --listing --index --hidden --archive-limit --compress --precompressed --api --symlinks --host --port --unix --trusted-proxies --admin --unix-mode --proxy-protocol --server-name --tls-cert --tls-key --redirect-port --tls-min --tls-client-ca --users --jwt-key --signing-key --jwt-audience --auth-failures --workers --io --user --control --grace --in-place-writes --requests-per-worker --threads --group --sandbox --pid-file --drain-delay --hang-timeout --cache-files --cache-memory --idle-timeout --min-rate --client-rate --client-connections --total-rate --http2 --header-timeout --stall-timeout --pause-timeout --client-requests --max-connections --max-header-size --http2-resets --max-ranges --server-header --access-log --log-format --log-level --config --check --dump-config --ctl --sign --expires --resume --prefix --client --uses --attachment --hash-password --version --help --help-all') ;;
    esac
    [[ ${from[0]} != -[df] ]] || compopt -o filenames
    mapfile -t COMPREPLY < <(compgen "${from[@]}" -- "$cur")
}
complete -F _fsrv fsrv
