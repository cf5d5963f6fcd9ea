import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { chatCommandLine } from '../../dist/cli/chat-command-line.js'
import { completion } from '../../dist/cli/completion.js'
import { receiveCommandLine } from '../../dist/cli/receive-command-line.js'
import { sendCommandLine } from '../../dist/cli/send-command-line.js'
import { shells } from '../../dist/cli/shells.js'
import { withoutProgram } from '../fixtures/required.js'

const lines = [sendCommandLine, receiveCommandLine, chatCommandLine]

/** What a real bash offers for the last of `words`, in a folder that holds `files`. */
function bashOffers(script: string, words: string[], folder: string): string[] {
  const [command = ''] = words
  const run = `${script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
${command === 'tcp-send' ? '_tcp_send' : '_tcp_recv'}
printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', run, 'bash', ...words], { cwd: folder, encoding: 'utf8' })
  if (stderr !== '') throw new Error(stderr)
  return stdout.split('\n').filter((word) => word !== '')
}

t.test('names every option in the script of every shell', async (t) => {
  for (const line of lines) {
    for (const shell of shells) {
      const script = completion(line, shell)
      for (const name of Object.keys(line.options)) {
        t.match(script, shell === 'fish' ? ` -l ${name} ` : `--${name}`, `${shell}: ${line.command} --${name}`)
      }
      t.notMatch(script, /undefined|\[object/)
    }
  }
})

t.test('bash offers options, choices and files', { skip: withoutProgram('bash') }, async (t) => {
  const folder = t.testdir({ 'file.txt': '', 'other.iso': '', out: {} })
  const send = completion(sendCommandLine, 'bash')
  const recv = completion(receiveCommandLine, 'bash')
  t.same(bashOffers(send, ['tcp-send', '--exp'], folder), ['--expect-size', '--expect-blake3'])
  t.same(bashOffers(send, ['tcp-send', '--help'], folder), ['--help'])
  t.same(bashOffers(send, ['tcp-send', 'fi'], folder), ['file.txt'])
  t.same(bashOffers(send, ['tcp-send', '--progress', ''], folder), ['auto', 'bar', 'lines', 'none'])
  t.same(bashOffers(send, ['tcp-send', '--completion', 'z'], folder), ['zsh'])
  t.same(bashOffers(recv, ['tcp-recv', '--if-exists', 'b'], folder), ['backup'])
  t.same(bashOffers(recv, ['tcp-recv', '--out', 'o'], folder).toSorted(), ['other.iso', 'out'])
  t.same(bashOffers(recv, ['tcp-recv', '--out', '=', 'ou'], folder), ['out'], 'bash cuts --out=ou into these words')
  t.same(bashOffers(recv, ['tcp-recv', '--out', '='], folder).toSorted(), ['file.txt', 'other.iso', 'out'])
  t.same(bashOffers(recv, ['tcp-recv', '--port', ''], folder), [], 'nothing can be known of a port')
  t.same(bashOffers(recv, ['tcp-recv', '--max'], folder), [
    '--max-size',
    '--max-files',
    '--max-depth',
    '--max-connections',
    '--max-per-peer',
  ])
})

t.test('is registered for the command', async (t) => {
  t.match(completion(sendCommandLine, 'bash'), /^complete -o filenames -F _tcp_send tcp-send$/m)
  t.match(completion(receiveCommandLine, 'zsh'), /^#compdef tcp-recv\n/)
  t.match(completion(receiveCommandLine, 'zsh'), /^compdef _tcp_recv tcp-recv$/m)
  t.match(completion(sendCommandLine, 'fish'), /^complete -c tcp-send -l text -x -d 'Send a message/m)
})

t.test('keeps the quotes and brackets of a description from being read by the shell', async (t) => {
  const describe = `It's "a" [b]: \\c $(d)`
  const line = {
    ...sendCommandLine,
    options: { odd: { value: 'FILE', many: true, describe }, flag: { describe: 'A' } },
  }
  t.match(completion(line, 'zsh'), String.raw`  '*--odd=[It'\''s "a" \[b\]\: \\c $(d)]:FILE:_files' \ `.trimEnd())
  t.match(completion(line, 'zsh'), String.raw`  '--flag[A]' \ `.trimEnd())
  t.match(completion(line, 'fish'), String.raw`complete -c tcp-send -l odd -r -F -d 'It\'s "a" [b]: \\c $(d)'`)
  t.match(completion(line, 'fish'), `complete -c tcp-send -l flag -d 'A'`)
})

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  // Only bash is on every machine, and a shell that nobody has installed is no failure of ours.
  const skip = spawnSync(shell, ['-c', 'true']).error ? `${shell} is not installed` : false
  t.test(`${shell} finds no fault with its scripts`, { skip }, async (t) => {
    for (const line of lines) {
      // Of the three, fish reads a script to be checked only from a file.
      const script = join(t.testdir({ script: completion(line, shell) }), 'script')
      const { status, stderr } = spawnSync(shell, ['-n', script], { encoding: 'utf8' })
      t.same({ status, stderr }, { status: 0, stderr: '' }, join(shell, line.command))
    }
  })
}

const noZsh = spawnSync('zsh', ['-c', 'true']).error ? 'zsh is not installed' : false
t.test('zsh registers the command also where nobody has called compinit', { skip: noZsh }, async (t) => {
  const env = { ...process.env, HOME: t.testdir(), ZDOTDIR: t.testdirName }
  const run = 'eval "$1" && print $_comps[tcp-recv]'
  const args = ['-f', '-c', run, 'zsh', completion(receiveCommandLine, 'zsh')]
  const { stdout, stderr } = spawnSync('zsh', args, { env, encoding: 'utf8' })
  t.same({ stdout, stderr }, { stdout: '_tcp_recv\n', stderr: '' })
  t.match(completion(receiveCommandLine, 'zsh'), /--out=.*:DIR:_files' .$/m, 'the value may follow after "="')
})
