/** Generates the completion scripts for shells from the option tables. */
import type { CommandLine, Option } from './command-line.js'
import type { Shell } from './shells.js'

/** The script that `--completion SHELL` prints. */
export function completion(line: CommandLine, shell: Shell): string {
  return { bash, zsh, fish }[shell](line.command, Object.entries(line.options))
}

/** True if the option's value is completed as a path. */
function takesPath({ value }: Option): boolean {
  return value === 'FILE' || value === 'DIR' || value === 'COMMAND'
}

/** True if a value must follow the option. */
function needsValue({ value, takes }: Option): boolean {
  return value !== undefined && takes === undefined
}

function bash(command: string, options: [string, Option][]): string {
  const cases = options.flatMap(([name, option]) => {
    const typed = option.short ? `--${name}|-${option.short}` : `--${name}`
    if (option.choices)
      return [`    ${typed}) mapfile -t COMPREPLY < <(compgen -W '${option.choices.join(' ')}' -- "$word"); return ;;`]
    if (takesPath(option)) return [`    ${typed}) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;`]
    return needsValue(option) ? [`    ${typed}) return ;;`] : []
  })
  const words = options.map(([name]) => `--${name}`).join(' ')
  const name = `_${command.replace('-', '_')}`
  return `# ${command}: eval "$(${command} --completion bash)"
${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  # bash cuts --out=dir into three words.
  if [[ $word == = ]]; then word=
  elif [[ $before == = ]]; then before=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  case $before in
${cases.join('\n')}
  esac
  if [[ $word == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '${words}' -- "$word")
  else mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}
complete -o filenames -F ${name} ${command}
`
}

function zsh(command: string, options: [string, Option][]): string {
  const lines = options.map(([name, option]) => {
    const about = option.describe.replace(/['[\]:\\]/g, (character) => (character === "'" ? "'\\''" : `\\${character}`))
    const values = option.choices ? `(${option.choices.join(' ')})` : takesPath(option) ? '_files' : ' '
    // The value may be the next word, or follow after `=` or the letter.
    const [long, letter] = needsValue(option) ? ['=', '+'] : ['', '']
    const value = needsValue(option) ? `:${option.value}:${values}` : ''
    const rest = `[${about}]${value}' \\`
    if (option.short === undefined) return `  '${option.many ? '*' : ''}--${name}${long}${rest}`
    // The shell expands the braces to two specifications. The list in parentheses says that the two exclude each other.
    return `  '(-${option.short} --${name})'{-${option.short}${letter},--${name}${long}}'${rest}`
  })
  return `#compdef ${command}
# ${command}: eval "$(${command} --completion zsh)"
_${command.replace('-', '_')}() {
  _arguments -s \\
${lines.join('\n')}
  '*:file:_files'
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i; }
compdef _${command.replace('-', '_')} ${command}
`
}

function fish(command: string, options: [string, Option][]): string {
  const lines = options.map(([name, option]) => {
    const values = option.choices
      ? ` -x -a '${option.choices.join(' ')}'`
      : takesPath(option)
        ? ' -r -F'
        : needsValue(option)
          ? ' -x'
          : ''
    const short = option.short ? ` -s ${option.short}` : ''
    return `complete -c ${command}${short} -l ${name}${values} -d '${option.describe.replace(/['\\]/g, '\\$&')}'`
  })
  return `# ${command}: ${command} --completion fish | source\n${lines.join('\n')}\n`
}
