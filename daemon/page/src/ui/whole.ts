// Something that a view reads as a whole: on sight, and again after a record that may have changed it.
import { useSignal, useSignalEffect, type Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { errorWords, Refused } from '../api/client';
import { world } from '../world';
import type { Whole } from '../store/world';

export interface Reading<T> {
  value: T | null;
  failed: string | null;
}

export function useWhole<T>(whole: Whole, read: () => Promise<T>): { reading: Signal<Reading<T>>; again: () => void } {
  const reading = useSignal<Reading<T>>({ value: null, failed: null });
  const state = useRef({ isBusy: false, isWanted: false, isOver: false });
  const again = (): void => {
    const now = state.current;
    if (now.isBusy) {
      now.isWanted = true;
      return;
    }
    now.isBusy = true;
    read()
      .then(
        (value) => {
          if (!now.isOver) reading.value = { value, failed: null };
        },
        (error: unknown) => {
          if (now.isOver || (error instanceof Refused && error.status === 401)) return;
          reading.value = { value: reading.peek().value, failed: errorWords(error) };
        },
      )
      .finally(() => {
        now.isBusy = false;
        if (now.isWanted && !now.isOver) {
          now.isWanted = false;
          again();
        }
      });
  };
  useSignalEffect(() => {
    void world.outdated[whole].value;
    again();
  });
  useEffect(
    () => () => {
      state.current.isOver = true;
    },
    [],
  );
  return { reading, again };
}
