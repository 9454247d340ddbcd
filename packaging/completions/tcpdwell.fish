# fish completion for tcpdwell
function __tcpdwell_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (tcpdwell __complete $words[2..-1] 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path (commandline -ct)
            case ':commands'
                __fish_complete_command
            case '*'
                echo $line
        end
    end
end
complete -c tcpdwell -f -a '(__tcpdwell_complete)'
