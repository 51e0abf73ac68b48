import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

/// The licences of what is built in, served beside it.
function licences(...names: string[]): Plugin {
  return {
    name: 'licences',
    generateBundle() {
      const require = createRequire(import.meta.url);
      const texts = names.map((name) => {
        let folder = dirname(require.resolve(name));
        while (!existsSync(join(folder, 'LICENSE'))) folder = dirname(folder);
        const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
        return `${name} ${version}\n\n${readFileSync(join(folder, 'LICENSE'), 'utf8').trim()}\n`;
      });
      this.emitFile({ type: 'asset', fileName: 'page/files/licences.txt', source: texts.join('\n----\n\n') });
    },
  };
}

// The same sources give the same bytes: a test compares them with built/, which is what pawld is compiled with.
export default defineConfig({
  base: './',
  plugins: [licences('preact', '@preact/signals', '@preact/signals-core')],
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    outDir: 'built',
    emptyOutDir: true,
    target: 'es2022',
    assetsDir: 'page/files',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: {
      input: ['index.html', 'api.html'],
      output: {
        entryFileNames: 'page/files/[name]-[hash].js',
        chunkFileNames: 'page/files/[name]-[hash].js',
        assetFileNames: 'page/files/[name]-[hash][extname]',
      },
    },
  },
  worker: {
    format: 'es',
    rollupOptions: { output: { entryFileNames: 'page/files/[name]-[hash].js' } },
  },
});
