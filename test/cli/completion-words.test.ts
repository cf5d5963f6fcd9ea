/** Completion in a real bash, as it happens when somebody presses Tab: the script is evaluated as the README says. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { chatCommandLine } from '../../dist/cli/chat-command-line.js'
import { receiveCommandLine } from '../../dist/cli/receive-command-line.js'
import { sendCommandLine } from '../../dist/cli/send-command-line.js'
import { type CommandName, commandLine } from '../fixtures/commands.js'
import { namesIn } from '../fixtures/folder.js'
import { withoutProgram } from '../fixtures/required.js'

const skip = withoutProgram('bash')

const scripts = new Map<string, string>()

/** What the command itself prints for `eval`. */
function scriptOf(command: CommandName): string {
  const known = scripts.get(command)
  if (known !== undefined) return known
  const args = [...commandLine(command, true), '--completion', 'bash']
  const script = spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout
  scripts.set(command, script)
  return script
}

/**
 * What is offered for the last of `words`: the function's name comes from what the script has registered, and each word
 * of the answer is ended by a byte that no word can hold.
 */
function offered(words: readonly string[], folder: string): string[] {
  const script = `
eval "$SCRIPT" || exit 1
registered=$(complete -p -- "$1") || exit 1
function=\${registered#*-F }; function=\${function%% *}
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=\${#COMP_LINE}
"$function" "$1" "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
(( \${#COMPREPLY[@]} == 0 )) || printf '%s\\0' "\${COMPREPLY[@]}"`
  const env = { ...process.env, SCRIPT: scriptOf(words[0] as CommandName) }
  const run = spawnSync('bash', ['-c', script, 'bash', ...words], { cwd: folder, env, encoding: 'utf8' })
  if (run.status !== 0 || run.stderr !== '') throw new Error(`${run.status}: ${run.stderr}`)
  return run.stdout.split('\0').slice(0, -1).toSorted()
}

t.test('offers every option', { skip }, async (t) => {
  const folder = t.testdir()
  for (const { command, options } of [sendCommandLine, receiveCommandLine, chatCommandLine]) {
    const all = Object.keys(options)
      .map((name) => `--${name}`)
      .toSorted()
    t.strictSame(offered([command, '--'], folder), all)
    t.strictSame(offered([command, '-'], folder), all)
    for (const name of all) t.ok(offered([command, name], folder).includes(name), name)
  }
})

t.test('offers the values that there are, and nothing where none can be known', { skip }, async (t) => {
  const folder = t.testdir({ backup: '' })
  for (const { command, options } of [sendCommandLine, receiveCommandLine, chatCommandLine]) {
    for (const [name, { value, choices, takes }] of Object.entries(options)) {
      // Where the value may be absent, a path may follow.
      const isPath = takes !== undefined || ['FILE', 'DIR', 'COMMAND'].includes(value ?? 'DIR')
      const values = choices?.toSorted() ?? (isPath ? ['backup'] : [])
      t.strictSame(offered([command, `--${name}`, ''], folder), values, `${command} --${name}`)
    }
  }
})

t.test('offers files by their whole names, whatever is in them', { skip }, async (t) => {
  const names = ['a b.txt', 'a  c', 'a*', 'a[b]', "a'q", 'a$HOME', 'a`id`', 'a;b', 'aä', 'back\\slash'].toSorted()
  const folder = t.testdir(Object.fromEntries([...names, 'other'].map((name) => [name, ''])))
  t.strictSame(
    offered(['tcp-send', 'a'], folder),
    names.filter((name) => name.startsWith('a')),
  )
  t.strictSame(offered(['tcp-recv', '--receipt', 'b'], folder), ['back\\slash'])
  t.strictSame(namesIn(folder), [...names, 'other'].toSorted(), 'and nothing was done with them')
})
